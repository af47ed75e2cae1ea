# The few images that are handed over.
rule sample:
    input:
        code=code("sample"),
        listing=rules.images.output,
    output:
        f"{R}/sample/{{images}}/n{{num_images}}/s{{seed}}.json",
    log:
        f"{LOGS}/sample/{{images}}/n{{num_images}}/s{{seed}}.log",
    conda:
        ENVIRONMENT
    params:
        file=PARAMS_FILE,
        section=section("sample"),
    shell:
        "practise sample --params-file {params.file} --images {wildcards.images}"
        " --num-images {wildcards.num_images} --seed {wildcards.seed}"
        " --listing {input.listing} --out {output} > {log} 2>&1"
