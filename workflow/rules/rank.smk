# What each criterion says of sets of blocks, and what is really lost without them.
rule rank:
    input:
        code=code("rank"),
        teacher=rules.teacher.output.weights,
        card=rules.teacher.output.card,
        sample=rules.sample.output,
        listing=rules.images.output,
        latency=rules.latency.output,
    output:
        json=f"{R}/rank/{{network}}/{{images}}/n{{num_images}}/s{{seed}}.json",
        lost=f"{R}/rank/{{network}}/{{images}}/n{{num_images}}/s{{seed}}.safetensors",
    log:
        f"{LOGS}/rank/{{network}}/{{images}}/n{{num_images}}/s{{seed}}.log",
    priority: 1  # long: what is short runs beside it
    conda:
        ENVIRONMENT
    threads: THREADS
    resources:
        gpu=GPU,
    params:
        file=PARAMS_FILE,
        section=section("rank"),
    shell:
        "practise rank --params-file {params.file} --network {wildcards.network} --images {wildcards.images}"
        " --seed {wildcards.seed} --teacher {input.teacher} --sample {input.sample}"
        " --listing {input.listing} --latency {input.latency} --out {output.json}"
        " --lost {output.lost} > {log} 2>&1"
