# What an image source holds, and its fixed split.
rule images:
    input:
        code=code("images"),
    output:
        f"{R}/images/{{images}}.json",
    log:
        f"{LOGS}/images/{{images}}.log",
    conda:
        ENVIRONMENT
    params:
        file=PARAMS_FILE,
        section=section("images"),
    shell:
        "practise images --params-file {params.file} --images {wildcards.images}"
        " --out {output} > {log} 2>&1"
