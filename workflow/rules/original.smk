# The original network's accuracy and size.
rule original:
    input:
        code=code("original"),
        teacher=rules.teacher.output.weights,
        card=rules.teacher.output.card,
        listing=rules.images.output,
    output:
        f"{R}/original/{{network}}/{{images}}.json",
    log:
        f"{LOGS}/original/{{network}}/{{images}}.log",
    conda:
        ENVIRONMENT
    threads: THREADS
    resources:
        gpu=GPU,
    params:
        file=PARAMS_FILE,
        section=section("original"),
    shell:
        "practise original --params-file {params.file} --network {wildcards.network} --images {wildcards.images}"
        " --teacher {input.teacher} --listing {input.listing}"
        " --out {output} > {log} 2>&1"
