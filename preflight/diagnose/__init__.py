"""What was seen of a deployment -> what is wrong with it, and what cures it.

causes.yaml   the knowledge, a table that people extend
table         that file -> rows, with every mistake in it told at its line
evidence      the nouns: what was read, and what it comes to
objects       what `kubectl get -o json` prints -> evidence
plain         what kubectl prints for people -> evidence
deployment    gk-deploy's output and heketi's log -> evidence, node by node
mended        heketi's log -> what heketi has not done since
inside        systemctl's and journalctl's words from inside a pod -> evidence
nodes         findings of gkprep's own checks -> evidence
masks         heketi's keys out of all that was read
spans         where the pieces of a text begin and end
saved         a folder of files -> evidence
cluster       a running cluster -> evidence
earlier       the log of the last deployment from here -> evidence, while it tells of what is there
match         evidence x table -> causes
look          all of that, for the commands
page          causes -> text and JSON

Everything but `saved`, `cluster`, `earlier` and `look` is a pure function. A reader never fails
for what it reads: what it cannot make anything of is said in the report.
"""
