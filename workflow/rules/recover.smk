# The network without them, trained on the few images.
rule recover:
    input:
        code=code("recover"),
        teacher=rules.teacher.output.weights,
        card=rules.teacher.output.card,
        sample=rules.sample.output,
        select=rules.select.output,
    output:
        student=f"{R}/recover/{CELL}/t{{target}}/student.safetensors",
        card=f"{R}/recover/{CELL}/t{{target}}/student.json",
        history=f"{R}/recover/{CELL}/t{{target}}/history.csv",
    log:
        f"{LOGS}/recover/{CELL}/t{{target}}.log",
    conda:
        ENVIRONMENT
    threads: THREADS
    resources:
        gpu=GPU,
    params:
        file=PARAMS_FILE,
        section=section("recover"),
    shell:
        "practise recover --params-file {params.file} --network {wildcards.network} --images {wildcards.images}"
        " --method {wildcards.method} --seed {wildcards.seed}"
        " --teacher {input.teacher} --sample {input.sample} --select {input.select}"
        " --student {output.student} --card {output.card} --history {output.history} > {log} 2>&1"
