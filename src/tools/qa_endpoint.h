/* tools/qa_endpoint.h: an OpenAI-compatible server (POST /v1/chat/completions) as QA's reader. */
#ifndef TFC_TOOLS_QA_ENDPOINT_H
#define TFC_TOOLS_QA_ENDPOINT_H

#include "base/json.h"
#include "base/memory.h"

typedef struct tfc_qa_endpoint tfc_qa_endpoint;

/* url: "http://host:port/v1" or with /chat/completions; fields "model" and "key" (the name of an environment
 * variable that holds it). */
tfc_qa_endpoint *tfc_qa_endpoint_create(tfc_json *backend, const char *url, tfc_error *err);
void tfc_qa_endpoint_free(tfc_qa_endpoint *endpoint);
/* The message that answers the prompt; the caller's (tfc_free). Thread-safe. */
tfc_status tfc_qa_endpoint_ask(tfc_qa_endpoint *endpoint, const char *prompt, int64_t deadline_ns,
                               char **answer, tfc_error *err);

#endif
