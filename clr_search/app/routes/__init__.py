"""The addresses of the page beside those of Gradio: its files, pictures, uploads and exports."""
