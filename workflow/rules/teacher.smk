# The original network. It is short and takes the whole machine, which is then free for `latency`: most jobs wait for
# that one.
rule teacher:
    input:
        code=code("teacher"),
    output:
        weights=f"{R}/teacher/{{network}}.safetensors",
        card=f"{R}/teacher/{{network}}.json",
    log:
        f"{LOGS}/teacher/{{network}}.log",
    conda:
        ENVIRONMENT
    threads: MACHINE
    resources:
        gpu=GPU,
    params:
        file=PARAMS_FILE,
        section=section("teacher"),
    shell:
        "practise teacher --params-file {params.file} --network {wildcards.network}"
        " --weights {output.weights} --card {output.card} > {log} 2>&1"
