import type { ValueInfo } from '@sconce/onnx';
import type { ArchiveInspection, CompiledInspection, FailedInspection } from '../offline/inspect-archive.ts';
import type { OnnxInspection } from '../offline/inspect-onnx.ts';
import { describeSignature } from './signature-text.ts';
import { countOf, formatBytes, oneLine } from './text.ts';
import { UNSUPPORTED_HINT, unsupportedText } from './unsupported-text.ts';

/** The description of a TorchScript file, for people. */
export function archiveText(file: string, bytes: number, inspection: ArchiveInspection): string {
  const { version, origin, pytorch2, className, methods, modules, parameters, buffers, weights, compiled } = inspection;
  const by = pytorch2 ? 'by PyTorch 2 or later' : 'by PyTorch 1.x, or 2.0';
  const strided = weights.strided === 0 ? '' : `, ${weights.strided} must be copied (strided or compressed)`;
  const shared = weights.shared === 0 ? '' : `, ${weights.shared} share the storage of another`;
  const dtypes = weights.byDtype.map((one) => `${one.tensors} ${one.dtype} (${formatBytes(one.bytes)})`).join(', ');
  return [
    `${file}: TorchScript, ${formatBytes(bytes)}`,
    `  format   version ${version}, ${origin ?? 'traced or scripted'}; written ${by} (the release is not recorded)`,
    `  module   ${className}: ${countOf(modules, 'module')}, ${countOf(parameters, 'parameter')}, ${countOf(buffers, 'buffer')}`,
    ...methods.map(({ name, params, returns }) => `  method   ${name}(${params.join(', ')}) -> ${returns}`),
    `  weights  ${formatBytes(weights.bytes)}${dtypes === '' ? '' : `: ${dtypes}`}${shared}${strided}`,
    '',
    compiled.ok ? compiledText(inspection.method, compiled) : failedText(inspection.method, compiled),
  ].join('\n');
}

function compiledText(method: string, { signature, operators, opset, nodes, warnings }: CompiledInspection): string {
  return [
    `${method} compiles to ONNX (opset ${opset}, ${countOf(nodes, 'node')})`,
    indent(describeSignature(signature)),
    ...warnings.map((warning) => `  warning: ${warning}`),
    '',
    operatorsText(operators, 'call'),
  ].join('\n');
}

function failedText(method: string, { reason, unsupported }: FailedInspection): string {
  if (unsupported.length > 0) {
    return [
      `${method} does not compile`,
      `  ${reason}`,
      `  ${UNSUPPORTED_HINT}`,
      indent(unsupportedText(unsupported)),
    ].join('\n');
  }
  return `${method} does not compile\n${indent(reason)}`;
}

/** The description of an ONNX file, for people. */
export function onnxText(file: string, bytes: number, inspection: OnnxInspection): string {
  const { irVersion, opsets, producer, inputs, outputs, operators, metadata } = inspection;
  const domains = Object.entries(opsets).map(([domain, version]) => `${domain === '' ? 'opset' : domain} ${version}`);
  const { initializers, weightBytes, externalBytes, externalFiles } = inspection;
  const external = externalFiles.length === 0 ? '' : `, ${formatBytes(externalBytes)} in ${externalFiles.join(', ')}`;
  return [
    `${file}: ONNX, ${formatBytes(bytes)}`,
    `  format   ${domains.join(', ')}, IR version ${irVersion}${producer === '' ? '' : `, written by ${producer}`}`,
    `  weights  ${countOf(initializers, 'tensor')}: ${formatBytes(weightBytes)} in the file${external}`,
    ...inputs.map((input) => `  input    ${valueText(input)}`),
    ...outputs.map((output) => `  output   ${valueText(output)}`),
    ...Object.entries(metadata).map(([key, value]) => `  metadata ${key}: ${shortened(value)}`),
    '',
    operatorsText(operators, 'node'),
  ].join('\n');
}

function valueText({ name, datatype, shape }: ValueInfo): string {
  const sizes = shape === undefined ? ' of unknown rank' : `[${shape.map((size) => size ?? '?').join(', ')}]`;
  return `${name}: ${datatype}${sizes}`;
}

function operatorsText(operators: readonly (readonly [string, number])[], unit: string): string {
  const calls = operators.reduce((sum, [, n]) => sum + n, 0);
  const width = Math.max(0, ...operators.map(([, n]) => String(n).length));
  return [
    `${countOf(operators.length, 'operator')}, ${countOf(calls, unit)}`,
    ...operators.map(([name, n]) => `  ${String(n).padStart(width)}  ${name}`),
  ].join('\n');
}

function indent(text: string): string {
  return text.replace(/^/gm, '  ');
}

function shortened(text: string): string {
  const line = oneLine(text);
  return line.length > 100 ? `${line.slice(0, 100)}…` : line;
}
