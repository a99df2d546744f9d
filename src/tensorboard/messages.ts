/**
 * The messages of TensorBoard's event files that are written here: event.proto, summary.proto and the plugin_data.proto of hparams, with
 * the field numbers of TensorBoard 2.21.
 */
import type { Type } from 'protobufjs';

const PROTO = `
syntax = "proto3";
message Event {
  double wall_time = 1;
  int64 step = 2;
  oneof what { string file_version = 3; Summary summary = 5; SessionLog session_log = 7; }
}
message SessionLog { int32 status = 1; }
message Summary {
  message Image { int32 height = 1; int32 width = 2; int32 colorspace = 3; bytes encoded_image_string = 4; }
  message Value {
    string tag = 1;
    SummaryMetadata metadata = 9;
    oneof value { float simple_value = 2; Image image = 4; }
  }
  repeated Value value = 1;
}
message SummaryMetadata {
  message PluginData { string plugin_name = 1; bytes content = 2; }
  PluginData plugin_data = 1;
}
message HParamsPluginData {
  int32 version = 1;
  oneof data { Experiment experiment = 2; SessionStartInfo session_start_info = 3; SessionEndInfo session_end_info = 4; }
}
message Experiment { double time_created_secs = 3; repeated HParamInfo hparam_infos = 4; repeated MetricInfo metric_infos = 5; }
message HParamInfo { string name = 1; int32 type = 4; }
message MetricInfo { MetricName name = 1; }
message MetricName { string group = 1; string tag = 2; }
message SessionStartInfo { map<string, Value> hparams = 1; double start_time_secs = 5; }
message SessionEndInfo { int32 status = 1; double end_time_secs = 2; }
message Value { oneof kind { double number_value = 2; string string_value = 3; bool bool_value = 4; } }
`;

/** A scalar or an image under its tag. */
export interface SummaryValue {
  tag: string;
  simpleValue?: number;
  image?: { height: number; width: number; colorspace: number; encodedImageString: Uint8Array };
  metadata?: { pluginData: { pluginName: string; content: Uint8Array } };
}

/** A record of an event file. */
export interface EventMessage {
  /** Seconds since 1970. */
  wallTime: number;
  step?: number;
  fileVersion?: string;
  summary?: { value: SummaryValue[] };
  sessionLog?: { status: number };
}

/** SessionLog.START, at which TensorBoard discards this step and later ones of the same run. */
export const SESSION_START = 1;

let types: { event: Type; hparams: Type } | undefined;

async function loaded() {
  if (types) return types;
  const { parse } = await import('protobufjs');
  const { root } = parse(PROTO);
  types = { event: root.lookupType('Event'), hparams: root.lookupType('HParamsPluginData') };
  return types;
}

export async function encodeEvent(event: EventMessage): Promise<Uint8Array> {
  const { event: type } = await loaded();
  return type.encode(type.create(event)).finish();
}

/** Content of a value of the plugin hparams. */
export async function encodeHparams(data: object): Promise<Uint8Array> {
  const { hparams: type } = await loaded();
  return type.encode(type.create({ version: 0, ...data })).finish();
}
