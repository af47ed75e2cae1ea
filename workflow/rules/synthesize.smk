# Images made from the original network alone.
rule synthesize:
    input:
        code=code("synthesize"),
        teacher=rules.teacher.output.weights,
        card=rules.teacher.output.card,
    output:
        manifest=f"{R}/synthesize/{{network}}/manifest.json",
        images=directory(f"{R}/synthesize/{{network}}/images"),
        sheet=report(
            f"{R}/synthesize/{{network}}/contact_sheet.png",
            caption="../report/synthesized.rst",
            category="Figures",
            labels={"figure": "synthesized images"},
        ),
    log:
        f"{LOGS}/synthesize/{{network}}.log",
    priority: 1  # long: what is short runs beside it
    conda:
        ENVIRONMENT
    threads: THREADS
    resources:
        gpu=GPU,
    params:
        file=PARAMS_FILE,
        section=section("synthesize"),
    shell:
        "practise synthesize --params-file {params.file} --network {wildcards.network}"
        " --teacher {input.teacher} --out {output.manifest} --sheet {output.sheet} > {log} 2>&1"
