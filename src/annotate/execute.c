/* Executing calls: PAPER section 1.3. The calls of a group begin together; which of them ends first decides
 * nothing. */
#include "annotate/annotate_group.h"

tfc_status tfc_group_submit(tfc_group *group, tfc_error *err)
{
    size_t capacity = (size_t)group->n_candidates;
    group->jobs = tfc_arena_alloc(&group->arena, capacity, sizeof *group->jobs);
    group->job_candidate = tfc_arena_alloc(&group->arena, capacity, sizeof *group->job_candidate);
    if (!group->jobs || !group->job_candidate) return tfc_fail_memory(err, "calls");
    group->n_jobs = 0;
    for (int64_t c = 0; c < group->n_candidates; c++) {
        const tfc_candidate *candidate = &group->candidates[c];
        const tfc_work *work = &group->works[group->candidate_work[c]];
        if (candidate->error || candidate->result) continue;
        group->job_candidate[group->n_jobs] = c;
        group->jobs[group->n_jobs++] = (tfc_tool_job){
            .tool = work->plan->tool,
            .args = candidate->args,
            .context = {.date = group->snippets[work->snippet]->date},
        };
    }
    tfc_error own;
    tfc_error_init(&own);
    group->batch = tfc_runner_submit(group->runner, group->jobs, (size_t)group->n_jobs, &own);
    if (!group->batch && err) *err = own;
    return own.status;
}

/* With match_numbers a call of a tool that stands before numbers has to give the one before which it stands.
 */
static bool matches_number(const tfc_group *group, const tfc_work *work, const tfc_candidate *candidate,
                           const char *result)
{
    const tfc_snippet *snippet = group->snippets[work->snippet];
    return !group->settings->recipe.match_numbers || work->plan->tool->places != TFC_PLACES_NUMBERS ||
           tfc_number_matches(snippet->text, snippet->n_bytes, candidate->at, result);
}

static tfc_status take_result(tfc_group *group, int64_t c, const tfc_tool_job *job, tfc_error *err)
{
    tfc_candidate *candidate = &group->candidates[c];
    const tfc_work *work = &group->works[group->candidate_work[c]];
    char *text = tfc_arena_strndup(&group->arena, job->text, strlen(job->text));
    if (!text) return tfc_fail_memory(err, "result");
    if (job->status != TFC_OK) {
        candidate->error = candidate->reason = text;
        candidate->failed = job->status != TFC_ENORESULT;
        group->counts[work->snippet].failed += candidate->failed;
    } else if (matches_number(group, work, candidate, text)) {
        candidate->result = text;
    } else {
        candidate->error = candidate->reason = "its result is not the number that stands there";
    }
    return TFC_OK;
}

tfc_status tfc_group_collect(tfc_group *group, tfc_error *err)
{
    tfc_status status = tfc_batch_wait(group->batch, group->monitor, err);
    for (int64_t j = 0; j < group->n_jobs && status == TFC_OK; j++)
        status = take_result(group, group->job_candidate[j], &group->jobs[j], err);
    tfc_batch_free(group->batch);
    group->batch = NULL;
    return status;
}
