# The tables as pictures.
rule figures:
    input:
        code=code("figures"),
        csv=rules.tables.output.csv,
    output:
        print=expand(
            f"{R}/figures/{{figure}}.{{ending}}", figure=PLAN.made("figures", "svg"), ending=["pdf", "png"]
        ),
        screen=reported("figures", "svg"),
    log:
        f"{LOGS}/figures.log",
    conda:
        ENVIRONMENT
    params:
        file=PARAMS_FILE,
        section=section("figures"),
        tables=lambda wildcards, input: os.path.dirname(input.csv[0]),
        folder=lambda wildcards, output: os.path.dirname(output.screen[0]),
    shell:
        "practise figures --params-file {params.file}"
        " --tables {params.tables} --out {params.folder} > {log} 2>&1"
