# How well each criterion foretells what dropping blocks costs, by the oracle.
rule rank:
    input:
        code=code("rank"),
        teacher=rules.teacher.output.weights,
        card=rules.teacher.output.card,
        sample=rules.sample.output,
        listing=rules.images.output,
        latency=rules.latency.output,
    output:
        f"{R}/rank/{{network}}/{{images}}/n{{num_images}}/s{{seed}}.json",
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
        " --listing {input.listing} --latency {input.latency} --out {output} > {log} 2>&1"
