import { posix } from 'node:path';

/** A service is some megabytes of code; more than this is a mistake or an attack by compression. */
const maxUnpackedBytes = 4 * 1024 * 1024 * 1024;
const maxEntries = 500_000;

interface Entry {
  readonly path: string;
  readonly type: string;
  readonly linkpath?: string;
  readonly size?: number;
}

/**
 * Unpacks a tarball (gzip or plain) into an empty directory. Refuses the whole of it, with the offending name in the
 * message, when an entry would leave the directory, or is anything but a file, a directory or a link inside.
 * Files get the time `modifiedAt`, the same on all hosts: packing leaves times out, and what answers browsers by the times
 * of files would take those of two versions for the same, and a file of 1970 for one that never changes.
 */
export async function unpackArtifact(file: string, directory: string, modifiedAt: Date): Promise<void> {
  // Loaded here because an agent that has its artifacts never needs it.
  const { list, extract } = await import('tar');
  let bytes = 0;
  let entries = 0;
  let refusal: string | null = null;
  // Looked through wholly first, so that nothing of a bad artifact is ever on disk.
  await list({
    file,
    strict: true,
    onReadEntry(entry) {
      entries += 1;
      bytes += entry.size;
      refusal ??= refusalOf(entry as Entry);
      if (entries > maxEntries) refusal ??= `it has more than ${maxEntries} entries`;
      if (bytes > maxUnpackedBytes) refusal ??= `it unpacks to more than ${maxUnpackedBytes} bytes`;
    },
  }).catch((error: Error) => {
    refusal ??= `it is no valid tarball: ${error.message}`;
  });
  if (refusal !== null) throw new Error(`the artifact is refused: ${refusal}`);
  await extract({
    ...{ file, cwd: directory, strict: true, preserveOwner: false, noChmod: false },
    filter(_path, entry) {
      if ('mtime' in entry && 'header' in entry) entry.mtime = modifiedAt;
      return true;
    },
  });
}

function refusalOf({ path, type, linkpath = '' }: Entry): string | null {
  if (leavesDirectory(path)) return `${JSON.stringify(path)} would be written outside of its directory`;
  switch (type) {
    case 'File':
    case 'OldFile':
    case 'ContiguousFile':
    case 'Directory':
      return null;
    case 'SymbolicLink':
      return leavesDirectory(posix.join(posix.dirname(path), linkpath)) ||
        posix.isAbsolute(linkpath) ||
        turnsBack(linkpath)
        ? `the link ${JSON.stringify(path)} leads to ${JSON.stringify(linkpath)}, outside of its directory`
        : null;
    case 'Link':
      return leavesDirectory(linkpath) || turnsBack(linkpath)
        ? `the link ${JSON.stringify(path)} leads outside of its directory`
        : null;
    default:
      return `${JSON.stringify(path)} is a ${type}; only files, directories and links are accepted`;
  }
}

/**
 * `a/..` is not always where it began: when `a` is itself a link, it is beside where that leads. Links that climb first and
 * then descend, as all that npm makes do, cannot be added up to a way out.
 */
function turnsBack(linkpath: string): boolean {
  const parts = linkpath.split('/').filter((part) => part !== '' && part !== '.');
  const descent = parts.findIndex((part) => part !== '..');
  return descent !== -1 && parts.includes('..', descent);
}

function leavesDirectory(path: string): boolean {
  if (path.includes('\0') || posix.isAbsolute(path)) return true;
  return posix.normalize(path).split('/')[0] === '..';
}
