/**
 * Keeps ONNX Runtime from sending usage data to Microsoft.
 *
 * Source: onnxruntime pull request 27379. Since 1.29 its official builds send usage events from Linux and macOS too. They also
 * write an identifier, a cache and a log (`.ses`, `mat-debug-*.log`) to the temporary folder. This variable disables all of that; the
 * native library reads it once, when it starts. It has to be set in the main thread: a worker thread's `process.env` is a copy
 * that native code does not see.
 */
export function disableRuntimeTelemetry(): void {
  process.env['ORT_DISABLE_TELEMETRY'] = '1';
}
