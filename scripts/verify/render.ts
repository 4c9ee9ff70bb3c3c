import type { VerificationResult } from './verification.ts';

/** One check for people: its commands, what was seen, and whether each promise was kept. */
export function renderVerification({
  title,
  seconds,
  commands,
  evidence,
  claims,
  failures,
}: VerificationResult): string {
  return [
    '',
    `▶ ${title}  (${seconds.toFixed(1)} s)`,
    ...commands.flatMap((command) => command.split('\n').map((line) => `    $ ${line}`)),
    ...evidence.flatMap((line) => line.split('\n').map((one) => `      ${one}`)),
    ...failures.slice(0, 5).map((line) => `      repeated: ${line}`),
    ...claims.map(({ kept, promise, measured }) => `  ${kept ? '✔' : '✘'} ${promise} (${measured})`),
  ].join('\n');
}

/** The last lines: how many promises there were, and which were broken. */
export function renderVerdict(results: readonly VerificationResult[]): string {
  const broken = results.flatMap(({ title, claims }) =>
    claims.filter(({ kept }) => !kept).map(({ promise, measured }) => `  ✘ ${title}: ${promise} (${measured})`),
  );
  const count = results.reduce((sum, { claims }) => sum + claims.length, 0);
  if (count === 0) return '\nNothing was looked at.';
  return broken.length === 0
    ? `\nAll ${count} promises were kept.`
    : `\n${broken.length} of ${count} promises were broken:\n${broken.join('\n')}`;
}
