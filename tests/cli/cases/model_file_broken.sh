printf GGUF >broken.gguf
echo x | "$T" tokenize --model broken.gguf
