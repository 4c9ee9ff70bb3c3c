import { isIn, lineAt, type Rule, type Violation } from '../source-tree.ts';

const folders = ['shared', 'controller', 'agent', 'cli', 'sdk'];

/** Files besides main.ts whose job it is to face the process they run in: sdk/connect.ts is in the process of a service. */
const exceptions = ['sdk/connect.ts', 'cli/bin.js', 'cli/exec-node.js', 'agent/shim/drain-hook*', 'agent/shim/main*'];

const reason =
  'settings come in, and endings go out, through main.ts alone; everything else can be tested in one process';

const processFaces: [pattern: RegExp, name: string][] = [
  [/\bprocess\s*\.\s*env\b/g, 'reads process.env'],
  [/\bprocess\s*\.\s*argv\b/g, 'reads process.argv'],
  [/\bprocess\s*\.\s*exit(Code)?\b/g, 'ends the process'],
];

/** Signal names are inside strings, which the scanned code leaves out, so these look at the text. */
const signalHandler = /\bprocess\s*\.\s*(on|once)\(\s*['"](SIG\w+|uncaughtException|unhandledRejection)['"]/g;

/** Only main.ts files read the environment and arguments, install signal handlers, or exit. */
export const processAccess: Rule = (files) =>
  files
    .filter((file) => isChecked(file.path))
    .flatMap((file): Violation[] => {
      const uses = processFaces.flatMap(([pattern, name]) =>
        [...file.code.matchAll(pattern)].map((match) => ({
          file: file.path,
          line: lineAt(file.code, match.index),
          problem: name,
          reason,
        })),
      );
      const handlers = [...file.text.matchAll(signalHandler)].map((match) => ({
        file: file.path,
        line: lineAt(file.text, match.index),
        problem: `handles ${match[2]}`,
        reason,
      }));
      return [...uses, ...handlers];
    });

/** console is for programs that talk to a person; the rest of the tree logs through shared/runtime. */
export const consoleAccess: Rule = (files) =>
  files
    .filter((file) => isChecked(file.path) && !isIn(file.path, 'cli'))
    .flatMap((file) =>
      [...file.code.matchAll(/(?<![\w$.])console\s*\./g)].map((match) => ({
        file: file.path,
        line: lineAt(file.code, match.index),
        problem: 'writes to the console',
        reason: 'a log line needs a level, fields and redaction, which the logger gives it',
      })),
    );

function isChecked(file: string): boolean {
  if (!folders.some((folder) => isIn(file, folder))) return false;
  return !file.endsWith('/main.ts') && !exceptions.some((place) => isIn(file, place));
}
