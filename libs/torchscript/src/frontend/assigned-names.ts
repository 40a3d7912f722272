import type { Stmt } from './ast.ts';

/** The variables that statements assign, also in nested blocks. */
export function assignedNames(statements: readonly Stmt[]): Set<string> {
  const names = new Set<string>();
  collect(statements, names);
  return names;
}

function collect(statements: readonly Stmt[], names: Set<string>): void {
  for (const statement of statements) {
    switch (statement.kind) {
      case 'assign':
        for (const target of statement.targets) if (target.kind === 'name') names.add(target.name);
        break;
      case 'if':
        collect(statement.then, names);
        collect(statement.else, names);
        break;
      case 'for':
        names.add(statement.variable);
        collect(statement.body, names);
        break;
      case 'while':
      case 'with':
        collect(statement.body, names);
        break;
      case 'def':
        names.add(statement.function.name);
        break;
      default:
    }
  }
}
