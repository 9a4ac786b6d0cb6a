"""From run folders to CSVs, tables, figures and the generated parts of the documentation."""
