echo x | "$T" tokenize
