# The tables as pictures.
rule figures:
    input:
        code=code("figures"),
        csv=rules.tables.output.csv,
    output:
        print=expand(f"{R}/figures/{{figure}}.{{ending}}", figure=FIGURES, ending=["pdf", "png"]),
        tradeoff=report(
            f"{R}/figures/tradeoff.svg",
            caption="../report/tradeoff.rst",
            category="Figures",
            labels={"figure": "accuracy and latency"},
        ),
        criteria=report(
            f"{R}/figures/criteria.svg",
            caption="../report/criteria_figure.rst",
            category="Figures",
            labels={"figure": "criteria"},
        ),
        macs_vs_latency=report(
            f"{R}/figures/macs_vs_latency.svg",
            caption="../report/macs_vs_latency.rst",
            category="Figures",
            labels={"figure": "MACs and latency"},
        ),
        recoverability=report(
            f"{R}/figures/recoverability.svg",
            caption="../report/recoverability.rst",
            category="Figures",
            labels={"figure": "recoverability"},
        ),
        sources=report(
            f"{R}/figures/sources.svg",
            caption="../report/sources.rst",
            category="Figures",
            labels={"figure": "images of several sources"},
        ),
        curves=report(
            f"{R}/figures/curves.svg",
            caption="../report/curves.rst",
            category="Figures",
            labels={"figure": "recovery"},
        ),
    log:
        f"{LOGS}/figures.log",
    conda:
        ENVIRONMENT
    params:
        file=PARAMS_FILE,
        section=section("figures"),
        tables=lambda wildcards, input: os.path.dirname(input.csv[0]),
        folder=lambda wildcards, output: os.path.dirname(output.tradeoff),
    shell:
        "practise figures --params-file {params.file}"
        " --tables {params.tables} --out {params.folder} > {log} 2>&1"
