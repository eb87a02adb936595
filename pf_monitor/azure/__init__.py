"""Azure: the same queries, pages and alert rules in a user's own Application Insights resource.

`source` runs queries there, `workspace` maps the tables of a Log Analytics workspace to the classic names that all
queries use, and `export` writes the templates that `workbook`, `alert_rules` and `query_pack` make.
"""
