import { errorRegistry } from '../../shared/contracts/error-code.ts';

/** The page that the `type` of a problem points to: `/docs/errors#CODE`. */
export function renderErrorPage(): string {
  const rows = Object.entries(errorRegistry).map(
    ([code, { status, exit, retryable, summary }]) =>
      `<tr id="${code}"><td><code>${code}</code></td><td>${status}</td><td>${exit}</td><td>${retryable ? 'yes' : 'no'}</td><td>${summary}</td></tr>`,
  );
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Errors of Drover</title>
<style>body{font:16px/1.5 system-ui;margin:2rem}td,th{padding:.2rem 1rem .2rem 0;text-align:left}tr:target{background:#fea}</style>
<h1>Errors of Drover</h1>
<table>
<tr><th>Code</th><th>Status</th><th>Exit code</th><th>May succeed later</th><th>Meaning</th></tr>
${rows.join('\n')}
</table>
`;
}
