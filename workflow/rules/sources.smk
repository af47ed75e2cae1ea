# The accuracy after a recovery with other images, or with those that were made from the network.
rule sources:
    input:
        code=code("sources"),
        teacher=rules.teacher.output.weights,
        card=rules.teacher.output.card,
        listing=f"{R}/images/{config['sources']['evaluation']}.json",
        original=f"{R}/original/{{network}}/{config['sources']['evaluation']}.safetensors",
        synthesized=rules.synthesize.output.manifest,
        made=rules.synthesize.output.images,
    output:
        f"{R}/sources/{{network}}/{{images}}/n{{num_images}}/s{{seed}}.json",
    log:
        f"{LOGS}/sources/{{network}}/{{images}}/n{{num_images}}/s{{seed}}.log",
    conda:
        ENVIRONMENT
    threads: THREADS
    resources:
        gpu=GPU,
    params:
        file=PARAMS_FILE,
        section=section("sources"),
    shell:
        "practise sources --params-file {params.file} --network {wildcards.network} --images {wildcards.images}"
        " --num-images {wildcards.num_images} --seed {wildcards.seed}"
        " --teacher {input.teacher} --listing {input.listing} --original {input.original} --synthesized {input.synthesized}"
        " --out {output} > {log} 2>&1"
