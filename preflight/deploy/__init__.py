"""The deployment itself: from green nodes to volumes that are provisioned, and back.

    flow         check, gate, deploy, verify
    abort        the way back
    gate         whether it may begin
    agreement    whether somebody wants it
    deployer     what is asked of a program that deploys
    gk_deploy    the one that there is
    source       where that comes from
    options      what a person may add to its command line
    making       one run of a deployer, from its folder to its log
    place        the private folder that it works in
    run          how it is run, heard and ended
    keys         heketi's
    credentials  which those are, for this cluster by now
    watch        what the cluster looks like meanwhile
    verify       the checks that judge what came of it
    smoke        a volume, to try it
    why          the causes, where it was no success
    cluster      what gkprep itself changes in the cluster
    objects      what it makes there
    remains      what of a deployment is there, and whose it is

Pure functions over texts and values, or readers that are fed:

    patches    the changes to a private copy of gk-deploy, each with its catalogue id
    script     what is changed in gk-deploy itself
    templates  what is changed in its Kubernetes templates
    manifest   Kubernetes objects in a text, found by a parser and changed as text
    tree       the files as values, which ones they are, what has changed
    steps      its output -> the six steps, what is waited for, how it ended
    state      what is known of a deployment while it runs
    lines      those with which it gives up, and what the table of causes makes of them
    redact     keys out of whatever is shown or kept
"""
