"""Training at `small` and `a100`: real backbones, real data sets, any number of processes.

    places      where a backbone lies: a directory, or a name of the Hub that was downloaded before
    weights     its files: one or several, safetensors or torch's own format
    opening     image encoders, language models with a place for images, parts of BLIP-2
    bert        BERT as the beginning of BLIP-2's stage 1
    naming      what is asked for, and the record that a run keeps of it
    beginning   the run that a stage begins with
    building    the recipe's model around its backbones, for a new run or one that is opened again
    transfer    VPGTrans's word converter
    pictures    bytes of picture files → pixel values, augmented where the paper did
    making      rows of the one format (`corpora.rows`) → a batch
    stages      which of these each stage of each recipe takes
    reading     shards → the share of each step that a process has
    laying      processes, parts of a step, precision
    training    all of it, and the loop

What is trained, for how long and how fast stands in `course_lib/recipes`, and how a run goes on
after a stop in `course_lib/training`: nothing here knows more than names, sizes and files.
"""
