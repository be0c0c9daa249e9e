echo x | "$T" tokenize --model /nowhere/x.gguf
