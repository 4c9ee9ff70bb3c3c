import { parseArgs } from 'node:util';

/**
 * The arguments of a program of this tree, as `read` understands them; without it there are none. `--help` prints the
 * usage and ends with 0. What `read` throws is said above the usage, and ends with 2, before anything is done.
 */
export function readArguments<Options>(usage: string, read: (args: string[]) => Options): Options;
export function readArguments(usage: string): void;
export function readArguments<Options>(usage: string, read?: (args: string[]) => Options): Options | undefined {
  const args = process.argv.slice(2);
  if (args.includes('--help')) {
    process.stdout.write(usage);
    process.exit(0);
  }
  try {
    if (read !== undefined) return read(args);
    parseArgs({ args });
    return undefined;
  } catch (error) {
    // Node goes on to explain how an argument could begin with a dash; none of ours does.
    const [message] = (error as Error).message.split('. To specify a positional');
    process.stderr.write(`${message}\n\n${usage}`);
    process.exit(2);
  }
}
