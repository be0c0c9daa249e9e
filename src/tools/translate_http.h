/* tools/translate_http.h: translation by a service in LibreTranslate's form: POST {url}/translate. */
#ifndef TFC_TOOLS_TRANSLATE_HTTP_H
#define TFC_TOOLS_TRANSLATE_HTTP_H

#include "tools/http_client.h"

typedef struct tfc_translate_service {
    tfc_http_client *client;
    const char *url;         /* without /translate */
    const char *api_key_env; /* the environment variable with the key, or NULL */
} tfc_translate_service;

/* text from the language `source` ("auto": the service tells) into English. TFC_ENORESULT: the service
 * refuses this text or its language, with its reason. */
tfc_status tfc_translate_http(const tfc_translate_service *service, const char *source, const char *text,
                              size_t n, int64_t deadline_ns, char **result, tfc_error *err);

#endif
