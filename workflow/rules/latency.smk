# What dropping each block saves on this machine; it takes the whole machine, because it measures time.
rule latency:
    input:
        code=code("latency"),
        teacher=rules.teacher.output.weights,
        card=rules.teacher.output.card,
        hardware=rules.hardware.output,
    output:
        f"{R}/latency/{{network}}.json",
    log:
        f"{LOGS}/latency/{{network}}.log",
    priority: 2  # most jobs wait for it: it starts while the whole machine is free
    conda:
        ENVIRONMENT
    threads: MACHINE
    resources:
        gpu=PLAN.gpus_per_timing,
    params:
        file=PARAMS_FILE,
        section=section("latency"),
    shell:
        "practise latency --params-file {params.file} --network {wildcards.network}"
        " --teacher {input.teacher} --hardware {input.hardware}"
        " --out {output} > {log} 2>&1"
