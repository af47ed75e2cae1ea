# The grid's cells side by side.
rule tables:
    input:
        code=code("tables"),
        original=every(rules.original.output.accuracy),
        latency=every(rules.latency.output),
        score=every(rules.score.output),
        select=every(rules.select.output),
        measure=expand(rules.measure.output, network=G["networks"]),
        card=every(rules.recover.output.card),
        history=every(rules.recover.output.history),
        evaluate=every(rules.evaluate.output),
        rank=every_trial(rules.rank.output, "rank"),
        sources=every_trial(rules.sources.output, "sources"),
        synthesized=expand(rules.synthesize.output.manifest, network=config["sources"]["networks"]),
    output:
        metrics=f"{R}/tables/metrics.json",
        latency_metrics=f"{R}/tables/latency_metrics.json",
        csv=expand(f"{R}/tables/{{table}}.csv", table=PLAN.made("tables", "csv")),
        text=expand(
            f"{R}/tables/{{table}}.{{ending}}", table=PLAN.made("tables", "csv"), ending=["md", "tex"]
        ),
        html=reported("tables", "html"),
    log:
        f"{LOGS}/tables.log",
    conda:
        ENVIRONMENT
    params:
        file=PARAMS_FILE,
        section=section("tables"),
        folder=lambda wildcards, output: os.path.dirname(output.metrics),
    shell:
        "practise tables --params-file {params.file} --out {params.folder} > {log} 2>&1"
