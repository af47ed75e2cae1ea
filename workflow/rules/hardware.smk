# What this machine is: measured times depend on it. On another machine the parameter differs, and all is measured again.
rule hardware:
    input:
        code=code("hardware"),
    output:
        f"{R}/hardware.json",
    log:
        f"{LOGS}/hardware.log",
    priority: 2  # `latency` waits for it
    conda:
        ENVIRONMENT
    params:
        file=PARAMS_FILE,
        section=section("hardware"),
        machine=PLAN.machine,
    shell:
        "practise hardware --params-file {params.file}" " --out {output} > {log} 2>&1"
