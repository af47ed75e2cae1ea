# The recovered network's accuracy, what it loses, and its size.
rule evaluate:
    input:
        code=code("evaluate"),
        teacher=rules.teacher.output.weights,
        teacher_card=rules.teacher.output.card,
        listing=rules.images.output,
        student=rules.recover.output.student,
        card=rules.recover.output.card,
        original=rules.original.output.logits,
    output:
        accuracy=f"{R}/evaluate/{CELL}/t{{target}}/accuracy.json",
        lost=f"{R}/evaluate/{CELL}/t{{target}}/lost.safetensors",
    log:
        f"{LOGS}/evaluate/{CELL}/t{{target}}.log",
    conda:
        ENVIRONMENT
    threads: THREADS
    resources:
        gpu=GPU,
    params:
        file=PARAMS_FILE,
        section=section("evaluate"),
    shell:
        "practise evaluate --params-file {params.file} --network {wildcards.network} --images {wildcards.images}"
        " --teacher {input.teacher} --listing {input.listing}"
        " --student {input.student} --card {input.card} --original {input.original}"
        " --out {output.accuracy} --lost {output.lost} > {log} 2>&1"
