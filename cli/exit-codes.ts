/** Exit codes of the command line. Those of errors are in the error registry; this says what each number means. */
export const exitCodes = {
  0: 'done',
  1: 'wrong usage, or an error without a number of its own',
  3: 'placement impossible: no node can take an instance as the spec demands',
  4: 'the deployment failed and was rolled back',
  5: 'the deployment failed and was not rolled back: revisions may be mixed',
  6: 'conflict: the service or token is not in the state that the command needs',
  7: 'no controller, or its store, can be reached',
  8: 'unsafe to scale: something in the code is wrong at more than one instance',
  130: 'detached by Ctrl-C or a time limit; the work goes on in the cluster',
} as const;

export type ExitCode = keyof typeof exitCodes;

/** What any command that asks a controller may end with. */
export const requestExitCodes = [0, 1, 7] as const satisfies readonly ExitCode[];
/** What a command that changes a service and follows the change may end with. */
export const rolloutExitCodes = [0, 1, 3, 4, 5, 6, 7, 130] as const satisfies readonly ExitCode[];
