/** What is wrong with a Dockerfile, a sentence each; empty when nothing is. */
export function checkDockerfile(text: string): string[] {
  const instructions = text
    .replace(/^#.*\n/gm, '')
    .replace(/\\\n/g, ' ')
    .split('\n')
    .filter((line) => line.trim() !== '');
  const problems: string[] = [];
  for (const image of find(instructions, /^FROM\s+(\S+)/)) {
    if (!/:\d+\.\d+\.\d+-[a-z-]+$/.test(image))
      problems.push(`the base ${image} is not pinned to one version and system`);
  }
  for (const source of find(instructions, /^ADD\s+(.*)/)) problems.push(`ADD ${source}: COPY says what it does`);
  const users = find(
    instructions.slice(instructions.findLastIndex((line) => line.startsWith('FROM'))),
    /^USER\s+(\S+)/,
  );
  if (users.length === 0 || ['root', '0'].includes(users.at(-1)!)) problems.push('the image runs as root');
  for (const command of find(instructions, /^(?:ENTRYPOINT|CMD)\s+(.*)/)) {
    if (!command.startsWith('[')) problems.push(`${command} runs in a shell, which does not pass signals on`);
  }
  for (const command of find(instructions, /^RUN\s+(.*)/)) {
    if (/\bnpm (install|i)\b/.test(command))
      problems.push('npm install may take other versions than the lock file; use npm ci');
    if (/apt-get install/.test(command) && !/rm -rf \/var\/lib\/apt\/lists/.test(command)) {
      problems.push('package lists stay in the image');
    }
    if (/\b(curl|wget)\b/.test(command)) problems.push('a download that nothing verifies');
  }
  for (const setting of find(instructions, /^(?:ENV|ARG)\s+(.*)/)) {
    if (/(TOKEN|PASSWORD|SECRET|KEY)\s*=/i.test(setting)) problems.push(`a secret in the image: ${setting}`);
  }
  return problems;
}

function find(lines: readonly string[], pattern: RegExp): string[] {
  return lines.flatMap((line) => pattern.exec(line)?.[1] ?? []);
}
