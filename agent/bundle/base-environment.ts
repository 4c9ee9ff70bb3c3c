/** What a program needs to find its tools, its home and its language; the rest of the agent's environment may hold secrets. */
const inherited = ['PATH', 'HOME', 'LANG', 'TZ', 'USER', 'LOGNAME', 'SHELL', 'TMPDIR'] as const;

/** The part of the agent's environment that workers and npm get (I20). */
export function baseEnvironment(environment: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    inherited.flatMap((name) => (environment[name] === undefined ? [] : [[name, environment[name]]])),
  );
}
