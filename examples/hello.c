/* Loads a model, submits a prompt, prints tokens as they come, polls, and cancels after 10 seconds:
 * hello MODEL PROMPT */
#include <openautoglm/c_api.h>
#include <stdio.h>
#include <threads.h>
#include <time.h>

static int print_token(const oag_token_event* token, void* user_data) {
  (void)user_data;
  fwrite(token->text, 1, token->text_bytes, stdout);
  fflush(stdout);
  return 0;
}

int main(int argc, char** argv) {
  if (argc != 3) return fprintf(stderr, "usage: hello MODEL PROMPT\n"), 2;

  oag_model* model = NULL;
  oag_generation* answer = NULL;
  oag_finish_reason reason = OAG_FINISH_ERROR;
  oag_request request = OAG_REQUEST_INIT;
  request.prompt = argv[2];
  request.max_tokens = 32;
  request.temperature = 0;
  request.on_token = print_token;

  oag_status status = oag_model_load(NULL, argv[1], NULL, &model);
  if (status == OAG_OK) status = oag_generate_submit(model, &request, &answer);
  const time_t start = time(NULL);
  int done = 0;
  while (status == OAG_OK && !done) {
    thrd_sleep(&(struct timespec){.tv_nsec = 10000000}, NULL); /* or what else the program has to do */
    status = oag_generation_poll(answer, &done);
    if (!done && time(NULL) - start > 10) oag_generation_cancel(answer);
  }
  if (status == OAG_OK) status = oag_generation_finish_reason(answer, &reason);
  if (status != OAG_OK) fprintf(stderr, "%s\n", oag_last_error());
  if (reason == OAG_FINISH_CANCELLED) fprintf(stderr, "cancelled\n");
  printf("\n");

  oag_generation_free(answer);
  oag_model_free(model);
  return reason == OAG_FINISH_STOP || reason == OAG_FINISH_LENGTH ? 0 : 1;
}
