# What dropping each block costs, by the method's criterion.
rule score:
    input:
        code=code("score"),
        teacher=rules.teacher.output.weights,
        card=rules.teacher.output.card,
        sample=rules.sample.output,
    output:
        f"{R}/score/{CELL}.json",
    log:
        f"{LOGS}/score/{CELL}.log",
    conda:
        ENVIRONMENT
    threads: THREADS
    resources:
        gpu=GPU,
    params:
        file=PARAMS_FILE,
        section=section("score"),
    shell:
        "practise score --params-file {params.file} --network {wildcards.network} --images {wildcards.images}"
        " --method {wildcards.method} --seed {wildcards.seed}"
        " --teacher {input.teacher} --sample {input.sample}"
        " --out {output} > {log} 2>&1"
