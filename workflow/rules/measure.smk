# How fast what was chosen is, for a network's cells at once; it takes the whole machine, because it measures time.
rule measure:
    input:
        code=code("measure"),
        teacher=rules.teacher.output.weights,
        card=rules.teacher.output.card,
        hardware=rules.hardware.output,
        select=lambda wildcards: every(rules.select.output, networks=[wildcards.network]),
    output:
        f"{R}/measure/{{network}}.json",
    log:
        f"{LOGS}/measure/{{network}}.log",
    conda:
        ENVIRONMENT
    threads: MACHINE
    resources:
        gpu=PLAN.gpus_per_timing,
    params:
        file=PARAMS_FILE,
        section=section("measure"),
    shell:
        "practise measure --params-file {params.file} --network {wildcards.network}"
        " --teacher {input.teacher} --hardware {input.hardware}"
        " --out {output} > {log} 2>&1"
