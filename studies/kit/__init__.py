"""What all studies are made with: command line, Markdown, pictures, and files that are whole or not there.

Empty, so that a study's command line can begin to listen for Ctrl-C before anything large is loaded.
"""
