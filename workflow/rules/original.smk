# The original network's accuracy and size.
rule original:
    input:
        code=code("original"),
        teacher=rules.teacher.output.weights,
        card=rules.teacher.output.card,
        listing=rules.images.output,
    output:
        accuracy=f"{R}/original/{{network}}/{{images}}.json",
        logits=f"{R}/original/{{network}}/{{images}}.safetensors",
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
        " --out {output.accuracy} --logits {output.logits} > {log} 2>&1"
