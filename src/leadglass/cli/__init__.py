"""The commands. They hold no logic: they ask the archive what a listener would ask, and print what it says.

main      the command line, and how errors end
work      a home opened for one command, and who asks
show      what reaches the terminal: sentences, tables, JSON; nothing that steers it
homes     init, serve, status, check
backup    backup, restore
users     user add, list, disable, reset
tokens    token create, list, revoke
record    log show, verify, export
intake    import: its options and its report
sources   files, folders and zips as streams
pipeline  streams into the archive, several at a time
watch     import --watch: folders looked at again and again
export    studies, or everything, to plain files
reach     another application entity: the options that say where and how
echo, find, retrieve, send, migrate, connect   the commands of those names
demo      the first five minutes; demo_old_pacs: the process beside it
"""
