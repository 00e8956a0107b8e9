package config

import (
	"strings"
)

// modules names what is loaded: what carries calls for Hotline and nothing else. Each group stands with what it is for.
func (w *writer) modules() File {
	t := &text{}
	t.note(generated)
	t.note("Only what is named here is loaded. A door that is not there needs no lock.")
	t.section("modules", "")
	t.yes("autoload", false)
	for _, g := range moduleGroups {
		t.WriteByte('\n')
		t.note("%s", g.what)
		for name := range strings.FieldsSeq(g.modules) {
			t.WriteString("load = " + name + ".so\n")
		}
	}
	w.own(t, "modules_local.conf")
	return w.file("modules.conf", t, false)
}

var moduleGroups = []struct{ what, modules string }{
	{"The base: configuration, time, the dialplan.", `res_sorcery_config res_sorcery_memory res_sorcery_astdb res_timing_timerfd pbx_config res_security_log
		res_clialiases`},
	{"SIP.", `res_pjproject res_pjsip res_pjsip_session chan_pjsip res_pjsip_acl res_pjsip_authenticator_digest res_pjsip_caller_id res_pjsip_diversion
		res_pjsip_dlg_options res_pjsip_dtmf_info res_pjsip_empty_info res_pjsip_endpoint_identifier_ip res_pjsip_endpoint_identifier_user
		res_pjsip_header_funcs res_pjsip_logger res_pjsip_nat res_pjsip_outbound_authenticator_digest res_pjsip_outbound_registration
		res_pjsip_path res_pjsip_pubsub res_pjsip_refer res_pjsip_registrar res_pjsip_rfc3326 res_pjsip_sdp_rtp res_pjsip_maintenance res_resolver_unbound`},
	{"Audio: RTP, SRTP, codecs, files.", `res_rtp_asterisk res_rtp_multicast res_srtp res_crypto chan_rtp codec_ulaw codec_alaw codec_a_mu codec_g722 codec_gsm codec_resample
		format_wav format_pcm format_sln format_gsm res_musiconhold bridge_simple bridge_native_rtp bridge_softmix bridge_holding
		bridge_builtin_features`},
	{"ARI, by which Hotline has the calls. Versions before 20.15, 21.10 and 22.5 have no res_websocket_client and chan_websocket, say so, and do without.", `res_http_websocket res_websocket_client chan_websocket res_stasis res_stasis_answer res_stasis_playback res_stasis_recording
		res_stasis_snoop res_stasis_device_state res_ari_model res_ari res_ari_applications res_ari_asterisk res_ari_bridges res_ari_channels
		res_ari_device_states res_ari_endpoints res_ari_events res_ari_playbacks res_ari_recordings res_ari_sounds app_stasis`},
	{"What the dialplan uses: hotline-in, and hotline-away when Hotline is away.", `app_dial app_exec app_stack app_verbose app_playback app_playtones app_record app_echo
		app_read app_while func_callerid func_channel func_cut func_env func_global func_holdintercept func_logic func_math func_module
		func_pjsip_aor func_pjsip_contact func_pjsip_endpoint func_strings func_timeout func_uri func_version`},
}
