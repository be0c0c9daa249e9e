printf 'GGUF and some more bytes' >lid.176.ftz
TOOLFORMER_LID=lid.176.ftz "$T" tool call MT 'El perro duerme en la cocina'
