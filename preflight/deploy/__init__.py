"""The deployment itself, by gk-deploy: what it needs to run today, and what it says meanwhile.

    patches    the changes to a private copy of it, each with its catalogue id
    script     what is changed in gk-deploy itself
    templates  what is changed in its Kubernetes templates
    manifest   Kubernetes objects in a text, found by a parser and changed as text
    tree       the files as values, which ones they are, what has changed
    steps      its output -> the six steps, what is waited for, how it ended
    stages     what is known of a deployment while it runs
    lines      what its lines that tell of trouble mean
    redact     keys out of whatever is shown or kept

All of them are pure functions, or readers that are fed.
"""
