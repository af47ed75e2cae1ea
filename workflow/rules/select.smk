# The blocks to drop for a latency target.
rule select:
    input:
        code=code("select"),
        score=rules.score.output,
        latency=rules.latency.output,
    output:
        f"{R}/select/{CELL}/t{{target}}.json",
    log:
        f"{LOGS}/select/{CELL}/t{{target}}.log",
    conda:
        ENVIRONMENT
    params:
        file=PARAMS_FILE,
        section=section("select"),
    shell:
        "practise select --params-file {params.file} --method {wildcards.method} --target-reduction {wildcards.target}"
        " --score {input.score} --latency {input.latency}"
        " --out {output} > {log} 2>&1"
