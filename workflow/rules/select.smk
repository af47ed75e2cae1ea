# What to prune for a target; it takes the whole machine where it measures sets of blocks.
rule select:
    input:
        code=code("select"),
        score=rules.score.output,
        latency=rules.latency.output,
        teacher=rules.teacher.output.weights,
        card=rules.teacher.output.card,
        sample=rules.sample.output,
        hardware=rules.hardware.output,
    output:
        f"{R}/select/{CELL}/t{{target}}.json",
    log:
        f"{LOGS}/select/{CELL}/t{{target}}.log",
    conda:
        ENVIRONMENT
    threads: machine_where_it_measures
    resources:
        gpu=GPU,
    params:
        file=PARAMS_FILE,
        section=section("select"),
    shell:
        "practise select --params-file {params.file} --images {wildcards.images} --method {wildcards.method}"
        " --seed {wildcards.seed}"
        " --target-reduction {wildcards.target}"
        " --score {input.score} --latency {input.latency}"
        " --teacher {input.teacher} --sample {input.sample} --hardware {input.hardware}"
        " --out {output} > {log} 2>&1"
