# The original network.
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
    threads: THREADS
    resources:
        gpu=GPU,
    params:
        file=PARAMS_FILE,
        section=section("teacher"),
    shell:
        "practise teacher --params-file {params.file} --network {wildcards.network}"
        " --weights {output.weights} --card {output.card} > {log} 2>&1"
