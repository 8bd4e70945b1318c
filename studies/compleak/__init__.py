"""Does compression exacerbate leakage? One audit over seeds, its null twins and controls, and one mistake on purpose.

The arms are ordinary run folders, so an interrupted study resumes, and each can be looked at with the commands for
audits.
"""
