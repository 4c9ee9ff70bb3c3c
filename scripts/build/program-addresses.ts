/**
 * Compiled code must start compiled programs. The compiler rewrites the extensions of imports; addresses of programs that are
 * run as processes, `new URL('./main.ts', import.meta.url)` and `import.meta.resolve('./main.ts')`, are rewritten here.
 */
export function compileProgramAddresses(code: string): string {
  return code.replace(/(\bnew URL\(|\bimport\.meta\.resolve\()(['"])(\.{1,2}\/[^'"]+)\.ts\2/g, '$1$2$3.js$2');
}
