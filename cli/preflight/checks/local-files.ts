import { type Check, type Finding, findingAt } from '../finding.ts';
import type { Project } from '../project.ts';
import type { Source } from '../read-source.ts';
import { bare, calleeName, isCall, isMember, type Node, option, propertyName, textOf } from '../syntax.ts';

const writing = /^(writeFile|appendFile|createWriteStream|mkdir|rename|copyFile|cp|link|symlink|open)(Sync)?$/;
/** Through how many names a path is followed. */
const maxSteps = 6;

/** Uploads and other files of requests, in places that only this host has. */
export const localFiles: Check = ({ source, project, reach }) =>
  source.nodes.flatMap((node): Finding[] => {
    if (!isCall(node)) return [];
    const origin = project.packageOf(source, node.callee);
    const name = calleeName(node) ?? '';
    if (origin?.from === 'multer') {
      const given = node.arguments[0] === undefined ? undefined : bare(node.arguments[0]);
      const hasPlace = given?.type === 'ObjectExpression' && option(given, 'dest') !== undefined;
      return hasPlace || name === 'diskStorage' ? [findingAt(source, node, 'local-files', `multer: ${name}`)] : [];
    }
    if (origin?.from === '@nestjs/platform-express') {
      const place = node.arguments.find((one) => one.type === 'ObjectExpression' && option(one, 'dest') !== undefined);
      return place === undefined ? [] : [findingAt(source, node, 'local-files', name)];
    }
    if (!isFileSystem(origin?.from) || !writing.test(name) || !reach.isInRequest(source, node)) return [];
    if (name.startsWith('open') && !/[wa]/.test(textOf(node.arguments[1]) ?? '')) return [];
    // The last path of these is where it is written to.
    const path = /^(rename|copyFile|cp|link|symlink)/.test(name) ? node.arguments[1] : node.arguments[0];
    if (path === undefined || !isLocal(project, source, path)) return [];
    return [findingAt(source, node, 'local-files', name)];
  });

function isFileSystem(from: string | undefined): boolean {
  return from === 'fs' || from === 'fs/promises' || from === 'fs-extra';
}

/** Whether a path begins at a place that other hosts do not share: the working or temporary directory, or that of the code. */
function isLocal(project: Project, source: Source, expression: Node, steps = 0): boolean {
  const node = bare(expression);
  if (steps > maxSteps) return false;
  if (node.type === 'StringLiteral') return !node.value.startsWith('/') || /^\/(var\/)?tmp\b/.test(node.value);
  if (node.type === 'TemplateLiteral') {
    const start = node.quasis[0]?.value.raw ?? '';
    if (start !== '') return !start.startsWith('/') || /^\/(var\/)?tmp\b/.test(start);
    return node.expressions[0] !== undefined && isLocal(project, source, node.expressions[0], steps + 1);
  }
  if (node.type === 'BinaryExpression') return isLocal(project, source, node.left, steps + 1);
  if (node.type === 'LogicalExpression') return isLocal(project, source, node.right, steps + 1);
  if (isMember(node))
    return /^(dirname|filename)$/.test(propertyName(node) ?? '') && node.object.type === 'MetaProperty';
  if (isCall(node)) {
    const name = calleeName(node) ?? '';
    if (name === 'tmpdir' || name === 'cwd') return true;
    const first = node.arguments[0];
    return /^(join|resolve|normalize)$/.test(name) && first !== undefined && isLocal(project, source, first, steps + 1);
  }
  if (node.type !== 'Identifier') return false;
  if (node.name === '__dirname' || node.name === '__filename') return true;
  const binding = project.resolve(source, node);
  return binding?.init !== undefined && isLocal(project, binding.source, binding.init, steps + 1);
}
