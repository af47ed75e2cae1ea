# The grid's cells side by side.
rule tables:
    input:
        code=code("tables"),
        original=every(rules.original.output),
        latency=every(rules.latency.output),
        score=every(rules.score.output),
        select=every(rules.select.output),
        card=every(rules.recover.output.card),
        history=every(rules.recover.output.history),
        evaluate=every(rules.evaluate.output),
        rank=every_study(rules.rank.output, "rank"),
        sources=every_study(rules.sources.output, "sources"),
        synthesized=expand(rules.synthesize.output.manifest, network=config["sources"]["networks"]),
    output:
        metrics=f"{R}/tables/metrics.json",
        latency_metrics=f"{R}/tables/latency_metrics.json",
        csv=expand(f"{R}/tables/{{table}}.csv", table=TABLES),
        text=expand(f"{R}/tables/{{table}}.{{ending}}", table=TABLES, ending=["md", "tex"]),
        html=expand(f"{R}/tables/{{table}}.html", table=["oracle", "recovery"]),
        claims=report(
            f"{R}/tables/claims.html",
            caption="../report/claims.rst",
            category="Tables",
            labels={"table": "the paper's claims"},
        ),
        schemes=report(
            f"{R}/tables/schemes.html",
            caption="../report/schemes.rst",
            category="Tables",
            labels={"table": "schemes at one latency"},
        ),
        fewshot=report(
            f"{R}/tables/fewshot.html",
            caption="../report/fewshot.rst",
            category="Tables",
            labels={"table": "numbers of images"},
        ),
        criteria=report(
            f"{R}/tables/criteria.html",
            caption="../report/criteria.rst",
            category="Tables",
            labels={"table": "criteria"},
        ),
        outofdomain=report(
            f"{R}/tables/outofdomain.html",
            caption="../report/outofdomain.rst",
            category="Tables",
            labels={"table": "other images"},
        ),
        datafree=report(
            f"{R}/tables/datafree.html",
            caption="../report/datafree.rst",
            category="Tables",
            labels={"table": "no images"},
        ),
        latency=report(
            f"{R}/tables/latency.html",
            caption="../report/latency.rst",
            category="Tables",
            labels={"table": "latency"},
        ),
        blocks=report(
            f"{R}/tables/blocks.html",
            caption="../report/blocks.rst",
            category="Tables",
            labels={"table": "blocks"},
        ),
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
