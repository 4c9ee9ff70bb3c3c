import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';

/**
 * Becomes another Node program: replaces this process where Node can (>= 22.15), so that signals, terminal and exit code
 * are the program's own. Older versions start a child, pass signals on, and end as the child ended.
 * @param {string} nodePath
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} env
 */
export function execNode(nodePath, args, env) {
  if (typeof process.execve === 'function') process.execve(nodePath, [nodePath, ...args], env);
  const child = spawn(nodePath, args, { stdio: 'inherit', env });
  const signals = ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGQUIT'];
  for (const signal of signals) {
    process.on(signal, () => {
      // Ctrl-C reaches the child from the terminal already; twice would mean "at once" to it.
      if (hasTerminal() && (signal === 'SIGINT' || signal === 'SIGQUIT')) return;
      child.kill(signal);
    });
  }
  child.on('error', (error) => {
    process.stderr.write(`cannot run ${nodePath}: ${error.message}\n`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
}

function hasTerminal() {
  const stat = readFileSync('/proc/self/stat', 'utf8');
  // Fields after the command name, which may hold spaces and brackets: state, ppid, pgrp, session, tty_nr.
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[4] !== '0';
}
